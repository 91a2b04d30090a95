#include "base/error/error.hpp"
#include "fuzz/fuzz_target.hpp"
#include "integrations/modelscope/modelscope_json.hpp"

using llmm::fuzz::check;
using namespace llmm::hubs::modelscope;

namespace {

template <class Parse>
void parse_or_refuse(Parse parse) {
    try {
        parse();
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::hub_bad_response, "refused as a bad answer");
    }
}

}  // namespace

LLMM_FUZZ_TARGET(modelscope_json)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    parse_or_refuse([&] {
        for (const auto& model : parse_search(text).models) {
            check(is_repo(model.repo), "a found model has a name that can be asked for");
            check(model.downloads.value_or(0) >= 0 && model.likes.value_or(0) >= 0, "counts are counts");
        }
    });
    parse_or_refuse([&] { check(is_repo(parse_detail(text).repo), "a model has a name that can be asked for"); });
    parse_or_refuse([&] {
        const FileList list = parse_files(text);
        check(list.commit.empty() || list.commit.size() == 40, "a commit is one");
        for (const auto& file : list.files) {
            check(!file.path.empty(), "a file has a name");
            check(file.size.value_or(0) <= std::uint64_t{1} << 50, "its size is possible");
        }
    });
    parse_refusal(text);
}
