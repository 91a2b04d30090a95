#include "integrations/ollama/ollama_manifest.hpp"

#include "base/error/error.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llmm::hubs::ollama {
namespace {

const std::string kHex(64, 'a');

std::string manifest(const std::string& digest, const std::string& size, const std::string& kind = "model") {
    return fmt::format(
        R"({{"schemaVersion":2,"layers":[{{"mediaType":"application/vnd.ollama.image.{}","digest":"{}","size":{}}}]}})",
        kind, digest, size);
}

}  // namespace

TEST(OllamaManifest, takes_only_digests_that_are_digests) {
    EXPECT_EQ(parse_manifest(manifest("sha256:" + kHex, "10")).layers.at(0).digest.hex(), kHex);
    for (const std::string& bad :
         {std::string("sha256:../../../../etc/passwd"), "sha256:" + kHex.substr(1), "sha256:" + kHex + "a", kHex,
          "sha256-" + kHex, "sha512:" + kHex, "sha256:" + std::string(63, 'a') + "/", std::string("sha256:"),
          "sha256: " + kHex.substr(1), std::string()}) {
        EXPECT_THROW(parse_manifest(manifest(bad, "10")), Error) << bad;
    }
}

TEST(OllamaManifest, takes_only_sizes_that_are_sizes) {
    for (const char* bad : {"-1", "1.5", "\"10\"", "null", "9223372036854775808", "1125899906842625"})
        EXPECT_THROW(parse_manifest(manifest("sha256:" + kHex, bad)), Error) << bad;
}

TEST(OllamaManifest, names_come_from_the_model_and_not_from_the_manifest) {
    const Name name = Name::parse("llama3.2:1b").value();
    Manifest listed;
    const auto add = [&](LayerKind kind) { listed.layers.push_back({kind, Sha256::parse(kHex).value(), 1}); };
    add(LayerKind::model);
    add(LayerKind::license);
    add(LayerKind::license);
    add(LayerKind::params);
    add(LayerKind::projector);
    const auto named = name_layers(
        name, listed,
        {.format = "gguf", .families = {}, .parameters = "", .quantization = "Q4_K_M", .context_length = {}});
    ASSERT_EQ(named.size(), 5u);
    EXPECT_EQ(named[0].path, "llama3.2-1b-Q4_K_M.gguf");
    EXPECT_EQ(named[2].path, "license-2");
    EXPECT_EQ(named[3].path, "params.json");
    EXPECT_EQ(named[4].path, "mmproj-llama3.2-1b-Q4_K_M.gguf");
    EXPECT_TRUE(parse_config(R"({"file_type":"../../x"})").quantization.empty());
}

TEST(OllamaManifest, knows_which_families_stock_llama_cpp_reads) {
    EXPECT_EQ(is_stock_compatible(parse_config(R"({"model_family":"llama"})")), true);
    EXPECT_EQ(is_stock_compatible(parse_config(R"({"model_families":["llama","mllama"]})")), false);
    EXPECT_EQ(is_stock_compatible(parse_config(R"({"model_family":"nemotron_h_moe"})")), false);
    EXPECT_EQ(is_stock_compatible(parse_config("{}")), std::nullopt);
}

TEST(OllamaManifest, reads_a_challenge_and_its_token) {
    const auto challenge =
        parse_challenge(R"(Bearer realm="https://r.example/token",service="r.example",scope="repository:a/b:pull")");
    ASSERT_TRUE(challenge);
    EXPECT_EQ(challenge->realm, "https://r.example/token");
    EXPECT_EQ(challenge->scope, "repository:a/b:pull");
    EXPECT_FALSE(parse_challenge("Basic realm=\"x\""));
    EXPECT_FALSE(parse_challenge("Bearer service=\"x\""));
    EXPECT_EQ(parse_token(R"({"token":"abc"})"), "abc");
    EXPECT_FALSE(parse_token("{\"token\":\"a\\r\\nX: y\"}"));
}

}  // namespace llmm::hubs::ollama
