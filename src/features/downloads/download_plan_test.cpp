#include "features/downloads/download_plan.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

models::RemoteModel remote(std::vector<std::string> paths) {
    models::RemoteModel model;
    model.pinned = {.source = models::Source::huggingface, .repo = "org/name", .revision = "abc", .variant = {}};
    std::vector<formats::ListedFile> listed;
    for (const std::string& path : paths) {
        model.repository.files.push_back({.path = path, .size = 10, .sha256 = {}, .git_sha1 = {}});
        listed.push_back({path, 10});
    }
    model.content = formats::find_variants(listed);
    model.chosen = formats::choose_variant(model.content.variants, "");
    if (model.chosen) model.pinned.variant = model.chosen->name;
    return model;
}

std::string paths_of(const models::RemoteModel& model, const std::vector<std::string>& globs = {}) {
    std::string text;
    for (const PlannedFile& file : make_plan(model, globs).files)
        text += file.path + " ";
    return text;
}

ErrorCode refusal(const models::RemoteModel& model, const std::vector<std::string>& globs = {}) {
    try {
        make_plan(model, globs);
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

}  // namespace

TEST(DownloadPlan, takes_the_files_of_the_variant) {
    EXPECT_EQ(paths_of(remote({"README.md", "m-Q8_0.gguf", "m-Q4_K_M.gguf"})), "m-Q4_K_M.gguf ");
    EXPECT_EQ(paths_of(remote({"m-Q4_K_M-00002-of-00002.gguf", "m-Q4_K_M-00001-of-00002.gguf"})),
              "m-Q4_K_M-00001-of-00002.gguf m-Q4_K_M-00002-of-00002.gguf ");
}

TEST(DownloadPlan, takes_what_globs_name_as_a_model_of_its_own) {
    const auto model = remote({"a/x-Q4_0.gguf", "a/y.txt", "z-Q8_0.gguf"});
    EXPECT_EQ(paths_of(model, {"a/*"}), "a/x-Q4_0.gguf a/y.txt ");
    EXPECT_NE(make_plan(model, {"a/*"}).pinned.variant, make_plan(model, {"z*"}).pinned.variant);
    EXPECT_EQ(refusal(model, {"nothing*"}), ErrorCode::validation_failed);
}

TEST(DownloadPlan, says_why_a_repository_has_nothing_to_run) {
    EXPECT_EQ(refusal(remote({})), ErrorCode::empty_repository);
    EXPECT_EQ(refusal(remote({"README.md", "model.onnx"})), ErrorCode::unsupported_format);
}

TEST(DownloadPlan, refuses_names_that_could_leave_the_folder_or_run_code) {
    for (const std::string bad : {"../x.gguf", "/etc/x.gguf", "a/../../x.gguf", "a\\x.gguf", "C:x.gguf", "a//x.gguf",
                                  "x.bin", "x.pt", "x.py"}) {
        EXPECT_EQ(refusal(remote({bad, "m-Q4_0.gguf"}), {"*"}), ErrorCode::unsafe_file) << bad;
    }
    EXPECT_EQ(refusal(remote({"a-Q4_0.gguf", "A-Q4_0.gguf"}), {"*"}), ErrorCode::unsafe_file);
    auto absurd = remote({"m-Q4_0.gguf"});
    absurd.repository.files[0].size = std::uint64_t{1} << 60;
    EXPECT_EQ(refusal(absurd), ErrorCode::hub_bad_response);
}

TEST(DownloadPlan, globs_match_as_in_a_shell_but_across_folders) {
    EXPECT_TRUE(matches_glob("*.gguf", "a/b.gguf"));
    EXPECT_TRUE(matches_glob("a?c*", "abc"));
    EXPECT_TRUE(matches_glob("*a*b*", "xxaxxbxx"));
    EXPECT_FALSE(matches_glob("a?c", "ac"));
    EXPECT_FALSE(matches_glob("*.gguf", "b.gguf.txt"));
    EXPECT_FALSE(matches_glob("", "a"));
    // Takes no exponential time.
    EXPECT_FALSE(matches_glob("*a*a*a*a*a*a*a*a*a*a*a*b", std::string(200, 'a')));
}

}  // namespace llmm::downloads
