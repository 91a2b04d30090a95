#include "integrations/engines/llama_server/startup_log.hpp"

#include <gtest/gtest.h>

namespace llmm::engines::llama_server {
namespace {

StartupLog read(std::vector<std::string> lines) {
    return read_startup_log(lines);
}

TEST(StartupLog, TellsLayersAndCacheTypes) {
    const StartupLog found = read({"0.04.357.592 I load_tensors: offloaded 17/33 layers to GPU",
                                   "0.07.475.557 I llama_kv_cache: size =  256.00 MiB (  4096 cells,  16 layers,  2/2 "
                                   "seqs), K (f16):  128.00 MiB, V (q8_0):  128.00 MiB"});
    EXPECT_EQ(found, (StartupLog{17, "f16", "q8_0"}));
}

TEST(StartupLog, TheLastStartCounts) {
    const StartupLog found =
        read({"load_tensors: offloaded 33/33 layers to GPU", "llama_kv_cache: size = 1, K (f16): 1, V (f16): 1",
              "load_tensors: offloaded 0/33 layers to GPU", "llama_kv_cache: size = 1, K (q4_0): 1, V (q4_0): 1"});
    EXPECT_EQ(found, (StartupLog{0, "q4_0", "q4_0"}));
}

TEST(StartupLog, WhatItDoesNotSayIsUnknown) {
    for (const std::string_view line :
         {"", "offloaded layers to GPU", "offloaded 3", "offloaded 3 layers to GPU", "offloaded -1/3 layers to GPU",
          "offloaded 99999999999999999999/3 layers to GPU", "llama_kv_cache: size = 3", "llama_kv_cache: size, K (",
          "llama_kv_cache: size, K (): 1, V (<script>): 2", "K (f16), V (f16)"}) {
        EXPECT_EQ(read({std::string(line)}), StartupLog{}) << line;
    }
}

}  // namespace
}  // namespace llmm::engines::llama_server
