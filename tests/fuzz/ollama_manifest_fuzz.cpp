#include "base/error/error.hpp"
#include "base/fs/safe_path.hpp"
#include "base/json/json.hpp"
#include "fuzz/fuzz_target.hpp"
#include "integrations/ollama/ollama_manifest.hpp"

#include <set>

#include <boost/json.hpp>

using llmm::fuzz::check;
using namespace llmm::hubs::ollama;

// The same bytes as a manifest, as a config blob, as a token and as a challenge: each is refused with its own error, or
// what comes out could not write anywhere but below its folder.
LLMM_FUZZ_TARGET(ollama_manifest)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    ModelConfig config;
    try {
        config = parse_config(text);
        check(config.quantization.find_first_of("/\\.:") == std::string::npos, "a quantisation is a plain word");
        check(llmm::parse_json(metadata_json(config, is_stock_compatible(config), {{"params.json", std::string(text)}}))
                  .is_object(),
              "metadata is JSON");
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::hub_bad_response, "refused as a bad answer");
    }
    try {
        const Manifest manifest = parse_manifest(text);
        std::set<std::string> paths;
        for (const NamedLayer& named : name_layers(*Name::parse("library/model:tag"), manifest, config)) {
            check(llmm::SafePath::parse(named.path).has_value(), "its name is a safe path");
            check(paths.insert(named.path).second, "no two layers share a name");
            check(named.layer.digest.hex().size() == 64, "its digest is one");
            check(named.layer.size <= std::uint64_t{1} << 50, "its size is possible");
        }
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::hub_bad_response, "refused as a bad answer");
    }
    try {
        if (const auto token = parse_token(text))
            check(token->find_first_of("\r\n ") == std::string::npos, "a token is one word");
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::hub_bad_response, "refused as a bad answer");
    }
    if (const auto challenge = parse_challenge(text)) check(!challenge->realm.empty(), "a challenge has a realm");
}
