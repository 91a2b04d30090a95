#include "features/deployments/hub_fit.hpp"

#include "integrations/hardware/hardware.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

constexpr std::string_view kEngine = "llama-server";

double gigabytes(std::uint64_t bytes) {
    return static_cast<double>(bytes) / 1e9;
}

std::string too_little(std::uint64_t needed, std::uint64_t there) {
    return fmt::format("needs {:.1f} GB, {:.1f} GB are free here", gigabytes(needed), gigabytes(there));
}

// Nothing but sizes is known: of another format, or of a hub that can't be asked for a part of a file.
models::VariantFit rough_fit(const formats::Variant& variant) {
    if (!variant.size) return {};
    models::VariantFit fit{.needed = engines::rough_need(*variant.size), .fits = {}, .reason = {}, .rough = true};
    const auto ram = hardware::read_ram();
    if (!ram) return fit;
    fit.fits = *fit.needed <= ram->available;
    if (!*fit.fits) fit.reason = too_little(*fit.needed, ram->available);
    return fit;
}

}  // namespace

engines::llama_server::ModelShape shape_of_size(const formats::GgufHeader& header, std::uint64_t bytes) {
    const auto value = [](const std::optional<std::uint64_t>& number) {
        return static_cast<double>(number.value_or(0));
    };
    const double width = value(header.embedding_length), heads = std::max(1.0, value(header.head_count));
    const double key = header.key_length ? value(header.key_length) : width / heads;
    const double kv_heads = header.head_count_kv ? value(header.head_count_kv) : heads;
    const double experts = std::max(1.0, value(header.expert_count));
    const double blocks = value(header.block_count) * (2 * width * key * (heads + kv_heads) +
                                                       3 * width * value(header.feed_forward_length) * experts);
    const double words = width * value(header.vocabulary_size);
    const double share = blocks + 2 * words > 0 ? words / (blocks + 2 * words) : 0;
    engines::llama_server::ModelShape shape{.description = header, .bytes = {}, .has_unknown_tensors = false};
    shape.bytes.all = bytes;
    shape.bytes.token_embedding = static_cast<std::uint64_t>(share * static_cast<double>(bytes));
    shape.bytes.output = shape.bytes.token_embedding;
    shape.bytes.blocks = bytes - 2 * shape.bytes.token_embedding;
    return shape;
}

Task<models::VariantFit> HubFit::of_variant(const formats::Variant& variant, const formats::GgufHeader& header) {
    const bool is_whole = header.tensor_bytes.all > 0 && variant.files.size() == 1 &&
                          variant.size.value_or(0) >= header.required_size &&
                          variant.size.value_or(0) - header.required_size < formats::kGgufMaxAlignment;
    const auto shape = is_whole ? engines::llama_server::shape_of(std::span(&header, 1))
                                : shape_of_size(header, variant.size.value_or(0));
    const MemoryPlan plan = co_await planner_.plan_unseen(shape, std::string(kEngine));
    if (!plan.known) co_return rough_fit(variant);
    models::VariantFit fit{.needed = 0, .fits = plan.fits() || !plan.evictions.empty(), .reason = {}};
    for (const auto& [device, bytes] : plan.needs)
        *fit.needed += bytes;
    if (!*fit.fits) fit.reason = too_little(plan.shortages.front().needed, plan.shortages.front().free);
    co_return fit;
}

Task<std::vector<models::VariantFit>> HubFit::of(const models::RemoteModel& model) {
    const auto& variants = model.content.variants;
    const auto is_gguf = [](const formats::Variant& variant) {
        return variant.format == formats::ModelFormat::gguf && !variant.files.empty();
    };
    const auto any = std::ranges::find_if(variants, is_gguf);
    const formats::Variant* asked = model.chosen && is_gguf(*model.chosen) ? model.chosen
                                    : any != variants.end()                ? &*any
                                                                           : nullptr;
    std::optional<formats::GgufHeader> header;
    if (asked) header = co_await headers_.of(model, asked->files.front());
    std::vector<models::VariantFit> fits;
    for (const formats::Variant& variant : variants) {
        const bool known = header && is_gguf(variant) && variant.size;
        fits.push_back(known ? co_await of_variant(variant, *header) : rough_fit(variant));
    }
    co_return fits;
}

}  // namespace llmm::deployments
