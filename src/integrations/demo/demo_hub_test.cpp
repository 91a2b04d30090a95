#include "integrations/demo/demo_hub.hpp"

#include "base/error/error.hpp"
#include "support/paths.hpp"
#include "support/run_task.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace llmm::hubs {
namespace {

const std::filesystem::path kShelf = std::filesystem::path(LLMM_SOURCE_DIR) / "share/demo";

struct DemoHubTest : testing::Test {
    asio::io_context loop;
    DemoHub hub{kShelf};

    template <class T>
    T run(Task<T> task) {
        return test::run_task(loop, std::move(task));
    }
    template <class T>
    ErrorCode code_of(Task<T> task) {
        try {
            run(std::move(task));
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::cancelled;
    }
    std::vector<ModelSummary> found(SearchQuery query) { return run(hub.search(std::move(query))).models; }
};

ErrorCode code_of_shelf(const std::string& text) {
    const test::TemporaryDirectory directory;
    std::ofstream(directory.path() / "shelf.toml") << text;
    try {
        DemoHub hub(directory.path());
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::cancelled;
}

}  // namespace

TEST_F(DemoHubTest, offers_the_file_that_is_really_on_the_shelf) {
    const Repository repository = run(hub.repository("tiny-chat", ""));
    EXPECT_EQ(repository.summary.license, "Apache-2.0");
    EXPECT_EQ(repository.summary.formats, std::vector<std::string>{"gguf"});
    EXPECT_TRUE(repository.card.value().starts_with("# Tiny Chat"));
    EXPECT_EQ(repository.revision.size(), 40u);
    ASSERT_EQ(repository.files.size(), 1u);

    const auto source = run(hub.locate("tiny-chat", repository.revision, repository.files[0].path));
    std::ifstream file(std::get<LocalSource>(source).path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(content.size(), repository.files[0].size);
    EXPECT_EQ(Sha256::of(content), repository.files[0].sha256);
}

TEST_F(DemoHubTest, is_searched_like_any_other) {
    EXPECT_EQ(found({.text = "TINY"}).size(), 1u);
    EXPECT_EQ(found({.text = "questions by heart"}).size(), 1u);
    EXPECT_EQ(found({.category = "text-generation", .format = "gguf"}).size(), 1u);
    EXPECT_TRUE(found({.text = "llama-70b"}).empty());
    EXPECT_TRUE(found({.format = "safetensors"}).empty());
    EXPECT_TRUE(found({.category = "image-to-text"}).empty());
    EXPECT_EQ(run(hub.categories()).at(0).id, "text-generation");
}

TEST_F(DemoHubTest, says_what_it_does_not_have) {
    EXPECT_EQ(code_of(hub.repository("other", "")), ErrorCode::hub_repo_not_found);
    EXPECT_EQ(code_of(hub.repository("tiny-chat", std::string(40, '0'))), ErrorCode::hub_revision_not_found);
    EXPECT_EQ(code_of(hub.locate("tiny-chat", "", "shelf.toml")), ErrorCode::hub_file_not_found);
    EXPECT_EQ(code_of(hub.locate("tiny-chat", "", "../demo/shelf.toml")), ErrorCode::hub_file_not_found);
    EXPECT_EQ(code_of(hub.locate("other", "", "tiny-chat.q8_0.gguf")), ErrorCode::hub_repo_not_found);
}

TEST(DemoHubShelf, must_be_whole) {
    const std::string digest(64, 'a');
    const auto shelf = [&](const std::string& file, const std::string& sha256, const char* size) {
        return fmt::format("[[model]]\nname = \"m\"\nfile = \"{}\"\nsha256 = \"{}\"\nsize = {}\n", file, sha256, size);
    };
    EXPECT_EQ(code_of_shelf(shelf("m.gguf", digest, "1")), ErrorCode::cancelled);  // nothing wrong
    for (const std::string& bad :
         {std::string(), std::string("[[model]"), std::string("[[model]]\n"), std::string("model = [1]"),
          shelf("m.gguf", "abc", "1"), shelf("m.gguf", digest, "-1"), shelf("m.gguf", digest, "\"1\""),
          shelf("../m.gguf", digest, "1"), shelf("", digest, "1")}) {
        EXPECT_EQ(code_of_shelf(bad), ErrorCode::internal) << bad;
    }
    EXPECT_THROW(DemoHub("/nonexistent"), Error);
}

}  // namespace llmm::hubs
