#include "base/error/error.hpp"
#include "fuzz/fuzz_target.hpp"
#include "integrations/engines/template/engine_template.hpp"

LLMM_FUZZ_TARGET(engine_template)(std::span<const std::byte> data) {
    using namespace llmm::engines;
    for (const TemplateKind kind : {TemplateKind::docker, TemplateKind::process}) {
        try {
            const auto engine = EngineTemplate::parse(kind, "fuzzed", llmm::fuzz::as_text(data));
            if (!engine.check("{}").empty()) continue;
            for (const std::string& argument : engine.arguments({.model = "/m", .name = "n", .port = 1}, "{}"))
                llmm::fuzz::check(!argument.contains('\0'), "a NUL in an argument");
        } catch (const llmm::Error& error) {
            llmm::fuzz::check(error.code() == llmm::ErrorCode::validation_failed, "another error");
        }
    }
}
