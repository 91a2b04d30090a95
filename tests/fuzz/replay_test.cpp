#include "fuzz/fuzz_target.hpp"
#include "support/paths.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace llmm::fuzz {
namespace {

std::vector<std::filesystem::path> corpus_of(const Target& target) {
    std::vector<std::filesystem::path> files;
    const auto folder = std::filesystem::path(LLMM_SOURCE_DIR) / "tests/fuzz/corpus" / target.name;
    if (!std::filesystem::is_directory(folder)) return files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class FuzzCorpus : public testing::TestWithParam<Target> {};

TEST_P(FuzzCorpus, holds_the_invariants) {
    const Target& target = GetParam();
    const auto files = corpus_of(target);
    ASSERT_FALSE(files.empty()) << "tests/fuzz/corpus/" << target.name << " has no inputs";
    for (const auto& file : files) {
        SCOPED_TRACE(file.filename().string());
        const std::string input = read(file);
        EXPECT_NO_THROW(target.run(std::as_bytes(std::span(input))));
    }
}

INSTANTIATE_TEST_SUITE_P(All, FuzzCorpus, testing::ValuesIn(targets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace llmm::fuzz
