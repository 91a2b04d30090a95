#include "features/models/hub_json.hpp"

#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::models {

namespace json = boost::json;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

std::string_view name_of(formats::ModelFormat format) {
    return format == formats::ModelFormat::gguf ? "gguf" : "safetensors";
}

json::object variant_json(const formats::Variant& variant, const VariantFit& fit) {
    return {{"name", variant.name},
            {"quantization", or_null(variant.quantization)},
            {"format", name_of(variant.format)},
            {"files", json::value_from(variant.files)},
            {"size", or_null(variant.size)},
            {"fits", or_null(fit.fits)},
            {"fits_reason", fit.reason.empty() ? json::value(nullptr) : json::value(fit.reason)},
            {"needed_bytes", or_null(fit.needed)},
            {"needed_is_rough", fit.rough}};
}

}  // namespace

json::object to_json(Source source, const hubs::ModelSummary& model) {
    return {{"source", models::name_of(source)},
            {"repo", model.repo},
            {"ref", ModelRef{.source = source, .repo = model.repo, .revision = {}, .variant = {}}.str()},
            {"name", model.name},
            {"author", or_null(model.author)},
            {"downloads", or_null(model.downloads)},
            {"likes", or_null(model.likes)},
            {"tags", json::value_from(model.tags)},
            {"pipeline_tag", or_null(model.category)},
            {"license", or_null(model.license)},
            {"gated", model.gated},
            {"private", model.is_private},
            {"updated_at", model.updated_at ? json::value(to_rfc3339(*model.updated_at)) : json::value(nullptr)},
            {"formats", json::value_from(model.formats)}};
}

json::object to_json(const RemoteModel& model, const std::vector<VariantFit>& fits) {
    json::object info = to_json(model.pinned.source, model.repository.summary);
    info["ref"] = model.pinned.str();
    info["revision"] = model.repository.revision;
    json::array files, variants;
    for (const hubs::RemoteFile& file : model.repository.files) {
        files.push_back(json::object{{"path", file.path},
                                     {"size", or_null(file.size)},
                                     {"sha256", file.sha256 ? json::value(file.sha256->hex()) : json::value(nullptr)},
                                     {"lfs", file.sha256.has_value()}});
    }
    for (const formats::Variant& variant : model.content.variants)
        variants.push_back(variant_json(variant, fits.at(variants.size())));
    info["files"] = std::move(files);
    info["variants"] = std::move(variants);
    info["default_variant"] = model.chosen ? json::value(model.chosen->name) : json::value(nullptr);
    info["card"] = or_null(model.repository.card);
    info["stock_compatible"] = or_null(model.repository.stock_compatible);
    info["metadata"] = parse_own_json(model.repository.metadata);
    return info;
}

json::object to_json(const hubs::Category& category) {
    return {{"id", category.id}, {"name", category.name}};
}

json::object to_json(const SourceReport& report, std::optional<std::int64_t> age, bool in_chinese) {
    constexpr std::string_view kStatuses[] = {"ok", "slow", "failed", "unsupported"};
    const auto message =
        report.message ? json::value(in_chinese ? report.message->zh : report.message->en) : json::value(nullptr);
    return {{"source", models::name_of(report.source)},
            {"status", kStatuses[static_cast<std::size_t>(report.status)]},
            {"count", report.count},
            {"cache_age_seconds", or_null(age)},
            {"error", report.code ? json::value(llmm::name_of(*report.code)) : json::value(nullptr)},
            {"message", message}};
}

}  // namespace llmm::models
