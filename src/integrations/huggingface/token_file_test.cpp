#include "integrations/huggingface/token_file.hpp"

#include "support/temporary_directory.hpp"

#include <fstream>
#include <map>

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {

TEST(TokenFile, is_found_where_huggingfaces_tools_keep_it) {
    const test::TemporaryDirectory directory;
    const auto at = [&](const std::string& name, const std::string& text) {
        std::filesystem::create_directories((directory.path() / name).parent_path());
        std::ofstream(directory.path() / name) << text;
        return (directory.path() / name).string();
    };
    const auto token = [](std::map<std::string, std::string> values) {
        return token_of_user([values](const std::string& name) {
                   const auto found = values.find(name);
                   return found == values.end() ? std::nullopt : std::optional(found->second);
               })
            .reveal();
    };
    const std::string path = at("elsewhere", "hf_path\n");
    at("hf/token", " hf_home \n");
    at("cache/huggingface/token", "hf_cache");
    at("home/.cache/huggingface/token", "hf_user\r\n");
    const std::string base = directory.path().string();
    EXPECT_EQ(token({{"HF_TOKEN_PATH", path}, {"HF_HOME", base + "/hf"}}), "hf_path");
    EXPECT_EQ(token({{"HF_HOME", base + "/hf"}, {"XDG_CACHE_HOME", base + "/cache"}}), "hf_home");
    EXPECT_EQ(token({{"XDG_CACHE_HOME", base + "/cache"}, {"HOME", base + "/home"}}), "hf_cache");
    EXPECT_EQ(token({{"HOME", base + "/home"}}), "hf_user");
    EXPECT_EQ(token({{"HOME", base + "/home"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes"}}), "");
    EXPECT_EQ(token({{"HOME", base + "/nobody"}}), "");
    EXPECT_EQ(token({{"HF_TOKEN_PATH", at("bad", "two words")}}), "");
    EXPECT_EQ(token({}), "");
}

}  // namespace llmm::hubs::huggingface
