#include "integrations/huggingface/huggingface_json.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {
namespace {

const std::string kCommit(40, 'c');
const std::string kDigest(64, 'd');

// The words of the HUB_BAD_RESPONSE, or what came instead.
template <class Parse>
std::string problem(Parse parse, const std::string& body) {
    try {
        parse(body);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::hub_bad_response) return error.message().en;
        return std::string(name_of(error.code()));
    }
    return "accepted";
}

std::string info_with(const std::string& siblings) {
    return fmt::format(R"({{"id":"a/b","sha":"{}","siblings":{}}})", kCommit, siblings);
}

}  // namespace

TEST(HuggingFaceJson, reads_a_row_of_a_search) {
    const auto models = parse_search(R"([{"_id":"67","id":"ggml-org/gemma-3-1b-it-GGUF","author":"ggml-org","likes":38,
        "downloads":186325,"tags":["gguf","license:gemma","region:us"],"pipeline_tag":"text-generation","gated":"manual",
        "private":false,"lastModified":"2025-03-12T10:30:05.000Z"}])");
    ASSERT_EQ(models.size(), 1u);
    const ModelSummary& model = models[0];
    EXPECT_EQ(model.repo, "ggml-org/gemma-3-1b-it-GGUF");
    EXPECT_EQ(model.name, "gemma-3-1b-it-GGUF");
    EXPECT_EQ(model.author, "ggml-org");
    EXPECT_EQ(model.downloads, 186325);
    EXPECT_EQ(model.likes, 38);
    EXPECT_EQ(model.category, "text-generation");
    EXPECT_EQ(model.license, "gemma");
    EXPECT_TRUE(model.gated);
    EXPECT_FALSE(model.is_private);
    EXPECT_EQ(model.formats, std::vector<std::string>{"gguf"});
    EXPECT_EQ(to_rfc3339(model.updated_at.value()), "2025-03-12T10:30:05.000Z");
}

TEST(HuggingFaceJson, takes_what_only_describes_as_unknown_when_it_is_odd) {
    for (const char* row :
         {R"({"id":"a/b"})",
          R"({"id":"a/b","downloads":null,"likes":null,"tags":null,"pipeline_tag":null,"gated":null})",
          R"({"id":"a/b","downloads":"many","likes":-1,"tags":{"x":1},"pipeline_tag":7,"gated":0})",
          R"({"id":"a/b","downloads":1e30,"likes":1.5,"tags":[1,null],"lastModified":"yesterday"})"}) {
        const ModelSummary model = parse_search(fmt::format("[{}]", row)).at(0);
        EXPECT_EQ(model.downloads, std::nullopt) << row;
        EXPECT_EQ(model.likes, std::nullopt) << row;
        EXPECT_TRUE(model.tags.empty()) << row;
        EXPECT_EQ(model.category, std::nullopt) << row;
        EXPECT_FALSE(model.gated) << row;
        EXPECT_EQ(model.updated_at, std::nullopt) << row;
        EXPECT_EQ(model.author, "a") << row;
    }
}

TEST(HuggingFaceJson, knows_every_form_of_gated) {
    const auto gated = [](const std::string& value) {
        return parse_search(fmt::format(R"([{{"id":"a/b","gated":{}}}])", value)).at(0).gated;
    };
    EXPECT_TRUE(gated("\"auto\""));
    EXPECT_TRUE(gated("\"manual\""));
    EXPECT_TRUE(gated("true"));
    EXPECT_FALSE(gated("false"));
}

TEST(HuggingFaceJson, leaves_out_models_that_nobody_could_open) {
    const auto models = parse_search(R"([{"id":"../etc"},{"id":"a/b"}])");
    ASSERT_EQ(models.size(), 1u);
    EXPECT_EQ(models[0].repo, "a/b");
}

TEST(HuggingFaceJson, reads_sizes_and_digests_of_a_repository) {
    const ModelInfo info = parse_model_info(fmt::format(
        R"({{"id":"a/b","sha":"{0}","cardData":{{"license":"mit"}},"siblings":[
            {{"rfilename":"m.gguf","size":10,"blobId":"{0}","lfs":{{"sha256":"{1}","size":10,"pointerSize":135}}}},
            {{"rfilename":"sub/config.json","size":2,"blobId":"{0}"}}]}})",
        kCommit, kDigest));
    EXPECT_EQ(info.commit, kCommit);
    EXPECT_TRUE(info.has_sizes);
    EXPECT_FALSE(info.disabled);
    EXPECT_EQ(info.summary.license, "mit");
    EXPECT_EQ(info.summary.formats, std::vector<std::string>{"gguf"});
    ASSERT_EQ(info.files.size(), 2u);
    EXPECT_EQ(info.files[0].path, "m.gguf");
    EXPECT_EQ(info.files[0].size, 10u);
    EXPECT_EQ(info.files[0].sha256->hex(), kDigest);
    EXPECT_EQ(info.files[0].git_sha1, std::nullopt);  // it would be the pointer's
    EXPECT_EQ(info.files[1].path, "sub/config.json");
    EXPECT_EQ(info.files[1].sha256, std::nullopt);
    EXPECT_EQ(info.files[1].git_sha1, kCommit);
}

TEST(HuggingFaceJson, notices_that_sizes_are_missing) {
    const ModelInfo info = parse_model_info(info_with(R"([{"rfilename":"a","size":1},{"rfilename":"b"}])"));
    EXPECT_FALSE(info.has_sizes);
    EXPECT_EQ(info.files.at(1).size, std::nullopt);
}

TEST(HuggingFaceJson, refuses_a_repository_without_its_identity) {
    EXPECT_EQ(problem(parse_model_info, R"({"id":"a/b"})"),
              "the answer of the hub can't be used: model.sha is missing");
    EXPECT_EQ(problem(parse_model_info, R"({"id":"a/b","sha":"main"})"),
              "the answer of the hub can't be used: model.sha is not a commit");
    EXPECT_EQ(problem(parse_model_info, R"({"id":7})"),
              "the answer of the hub can't be used: model.id is not a string");
    EXPECT_EQ(problem(parse_model_info, R"({"id":"../x"})"),
              "the answer of the hub can't be used: model.id is not a repository name");
    EXPECT_EQ(problem(parse_model_info, "[]"), "the answer of the hub can't be used: model is not an object");
}

TEST(HuggingFaceJson, names_the_size_that_is_wrong) {
    const auto with_size = [](const std::string& size) {
        return problem(parse_model_info,
                       info_with(fmt::format(R"([{{"rfilename":"a"}},{{"rfilename":"b","size":{}}}])", size)));
    };
    const std::string start = "the answer of the hub can't be used: siblings[1].size ";
    EXPECT_EQ(with_size("-1"), start + "is negative");
    EXPECT_EQ(with_size("-9223372036854775808"), start + "is negative");
    EXPECT_EQ(with_size("1125899906842625"), start + "is impossibly large");
    EXPECT_EQ(with_size("18446744073709551615"), start + "is impossibly large");
    for (const char* other : {"1e30", "1.5", "\"10\"", "true", "[]", "{}"}) {
        EXPECT_EQ(with_size(other), start + "is not a whole number") << other;
    }
    EXPECT_EQ(with_size("1125899906842624"), "accepted");
    EXPECT_EQ(with_size("null"), "accepted");
}

TEST(HuggingFaceJson, names_the_digest_or_path_that_is_wrong) {
    const auto with = [](const std::string& sibling) {
        return problem(parse_model_info, info_with("[" + sibling + "]"));
    };
    const std::string start = "the answer of the hub can't be used: siblings[0]";
    EXPECT_EQ(with("7"), start + " is not an object");
    EXPECT_EQ(with("{}"), start + ".rfilename is missing");
    EXPECT_EQ(with(R"({"rfilename":""})"), start + ".rfilename is empty");
    EXPECT_EQ(with(R"({"rfilename":")" + std::string(4097, 'a') + "\"}"), start + ".rfilename is too long");
    EXPECT_EQ(with(R"({"rfilename":"a","lfs":[]})"), start + ".lfs is not an object");
    EXPECT_EQ(with(R"({"rfilename":"a","lfs":{}})"), start + ".lfs.sha256 is missing");
    EXPECT_EQ(with(R"({"rfilename":"a","lfs":{"sha256":"../../x"}})"), start + ".lfs.sha256 is not a SHA-256");
    EXPECT_EQ(with(R"({"rfilename":"a","lfs":{"sha256":")" + kDigest + R"(","size":-5}})"),
              start + ".lfs.size is negative");
    EXPECT_EQ(with(R"({"rfilename":"a","blobId":"xyz"})"), start + ".blobId is not a git SHA-1");
}

TEST(HuggingFaceJson, reads_the_files_of_a_tree) {
    const auto files = parse_tree(fmt::format(
        R"([{{"type":"directory","oid":"{0}","size":0,"path":"sub"}},
            {{"type":"file","oid":"{0}","size":12,"path":"sub/x.safetensors","lfs":{{"oid":"{1}","size":12}}}},
            {{"type":"file","oid":"{0}","size":3,"path":"a.txt"}}])",
        kCommit, kDigest));
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].path, "sub/x.safetensors");
    EXPECT_EQ(files[0].sha256->hex(), kDigest);
    EXPECT_EQ(files[1].git_sha1, kCommit);
    EXPECT_EQ(files[1].size, 3u);
    EXPECT_EQ(problem(parse_tree, R"({"error":"x"})"), "the answer of the hub can't be used: tree is not a list");
    EXPECT_EQ(problem(parse_tree, R"([{"type":"file"}])"),
              "the answer of the hub can't be used: tree[0].path is missing");
}

TEST(HuggingFaceJson, reads_categories_with_their_labels) {
    const auto categories = parse_categories(
        R"({"library":[],"pipeline_tag":[{"id":"text-generation","label":"Text Generation","type":"pipeline_tag"},{"id":"x"}]})");
    ASSERT_EQ(categories.size(), 2u);
    EXPECT_EQ(categories[0].id, "text-generation");
    EXPECT_EQ(categories[0].name, "Text Generation");
    EXPECT_EQ(categories[1].name, "x");
    EXPECT_TRUE(parse_categories("{}").empty());
}

TEST(HuggingFaceJson, says_what_came_instead_of_data) {
    const std::string page = problem(parse_search, "\n <!DOCTYPE html><html>Log in</html>");
    EXPECT_TRUE(page.starts_with("a web page came instead")) << page;
    for (const char* broken : {"", "[{\"id\":", "{\"a\":1,\"a\":2}", "[] []"}) {
        const std::string text = problem(parse_search, broken);
        EXPECT_TRUE(text.starts_with("the answer of the hub is not valid JSON")) << broken << " -> " << text;
    }
}

TEST(HuggingFaceJson, finds_the_message_of_a_refusal_in_every_form) {
    EXPECT_EQ(parse_error_message(R"({"error":"Repository not found"})"), "Repository not found");
    EXPECT_EQ(parse_error_message(R"({"error":["first","second"]})"), "first");
    EXPECT_EQ(parse_error_message(R"({"errors":[{"message":"bad"}]})"), "bad");
    EXPECT_EQ(parse_error_message(R"({"error":"x","error_description":"the token is old"})"), "the token is old");
    for (const char* silent :
         {"", "Entry not found", "[]", "{}", R"({"error":7})", R"({"error":[]})", R"({"errors":{}})"}) {
        EXPECT_EQ(parse_error_message(silent), "") << silent;
    }
}

}  // namespace llmm::hubs::huggingface
