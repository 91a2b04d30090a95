#include "base/error/error.hpp"
#include "base/fs/safe_path.hpp"
#include "features/models/model_ref.hpp"
#include "features/models/model_service.hpp"
#include "fuzz/fuzz_target.hpp"

using llmm::fuzz::check;

// A reference from outside is refused with its own error or means the same when it is written and read again; whatever
// it names stays below the folder of models.
LLMM_FUZZ_TARGET(model_ref)(std::span<const std::byte> data) {
    llmm::models::ModelRef ref;
    try {
        ref = llmm::models::parse_model_ref(llmm::fuzz::as_text(data));
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::validation_failed, "refused as a bad field");
        return;
    }
    check(llmm::models::parse_model_ref(ref.str()) == ref, "its text means itself");
    if (ref.revision.empty()) ref.revision = "main";
    check(llmm::SafePath::parse(llmm::models::model_directory(ref).string()).has_value(), "its folder is a safe path");
}
