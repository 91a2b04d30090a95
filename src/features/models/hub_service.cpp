#include "features/models/hub_service.hpp"

#include "base/error/error.hpp"

#include <fmt/format.h>

namespace llmm::models {

HubService::HubService(std::vector<hubs::Hub*> hubs) {
    for (hubs::Hub* hub : hubs) {
        if (const auto source = parse_source(hub->source())) hubs_[*source] = hub;
    }
}

hubs::Hub& HubService::hub(Source source) {
    if (const auto found = hubs_.find(source); found != hubs_.end()) return *found->second;
    std::string names;
    for (const auto& [known, hub] : hubs_)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(known));
    throw Error(ErrorCode::validation_failed, Text{"this version can't fetch from that source", "当前版本不支持该来源"},
                {{"source", FieldProblem{Text{"is none of the possible values", "不是可用的值"}, Text{names, names}}}});
}

Task<RemoteModel> HubService::resolve(ModelRef ref) {
    RemoteModel model;
    model.repository = co_await hub(ref.source).repository(ref.repo, ref.revision);
    std::vector<formats::ListedFile> files;
    for (const hubs::RemoteFile& file : model.repository.files)
        files.push_back({file.path, file.size});
    model.content = formats::find_variants(files);
    model.chosen = formats::choose_variant(model.content.variants, ref.variant);
    if (!model.chosen && !ref.variant.empty() && !model.content.variants.empty()) {
        std::string names;
        for (const formats::Variant& variant : model.content.variants) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", variant.name);
        }
        throw Error(
            ErrorCode::validation_failed, Text::format("{} has no variant {}", "{} 没有变体 {}", ref.repo, ref.variant),
            {{"ref", FieldProblem{Text{"names a variant that is not there", "指定的变体不存在"}, Text{names, names}}}});
    }
    model.pinned = {.source = ref.source,
                    .repo = model.repository.summary.repo,
                    .revision = model.repository.revision,
                    .variant = model.chosen ? model.chosen->name : std::string()};
    co_return model;
}

}  // namespace llmm::models
