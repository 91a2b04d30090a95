#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "features/models/model_facts.hpp"
#include "integrations/formats/gguf.hpp"
#include "integrations/formats/safetensors.hpp"

#include <fcntl.h>

#include <boost/json.hpp>

namespace llmm::models {

namespace json = boost::json;

namespace {

template <class T>
void add(json::object& object, std::string_view key, const std::optional<T>& value) {
    if (value) object.emplace(key, *value);
}

[[noreturn]] void refuse(const std::string& name, const formats::FormatProblem& problem) {
    throw Error(
        problem.kind == formats::ProblemKind::unsupported ? ErrorCode::unsupported_format : ErrorCode::unsafe_file,
        Text::format("\"{0}\" can't be used: {1}", "“{0}”无法使用：{2}", name, problem.message.en, problem.message.zh));
}

std::optional<std::int64_t> as_signed(std::optional<std::uint64_t> value) {
    return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

ModelFacts facts_of(const formats::GgufHeader& header) {
    json::object metadata;
    add(metadata, "general.architecture", header.architecture);
    add(metadata, "general.name", header.name);
    add(metadata, "general.type", header.type);
    add(metadata, "block_count", header.block_count);
    add(metadata, "embedding_length", header.embedding_length);
    add(metadata, "feed_forward_length", header.feed_forward_length);
    add(metadata, "attention.head_count", header.head_count);
    add(metadata, "attention.head_count_kv", header.head_count_kv);
    add(metadata, "attention.key_length", header.key_length);
    add(metadata, "attention.value_length", header.value_length);
    add(metadata, "attention.sliding_window", header.sliding_window);
    add(metadata, "expert_count", header.expert_count);
    add(metadata, "vocabulary_size", header.vocabulary_size);
    metadata.emplace("tensor_count", header.tensor_count);
    metadata.emplace("has_chat_template", header.chat_template.has_value());
    const bool whole = !header.split || header.split->count <= 1;
    return {.format = Format::gguf,
            .parameters = whole && header.parameter_count > 0 ? as_signed(header.parameter_count) : std::nullopt,
            .quantization = header.quantization,
            .architecture = header.architecture,
            .context_length = as_signed(header.context_length),
            .license = header.license,
            .metadata = json::serialize(metadata)};
}

ModelFacts facts_of(const formats::SafetensorsHeader& header) {
    json::array types;
    for (const formats::DtypeShare& share : header.dtypes) {
        types.push_back(json::object{{"dtype", share.dtype}, {"parameters", share.parameters}});
    }
    return {
        .format = Format::safetensors,
        .parameters = as_signed(header.parameter_count),
        .quantization = header.dtypes.empty() ? std::nullopt : std::optional(header.dtypes.front().dtype),
        .architecture = std::nullopt,
        .context_length = std::nullopt,
        .license = std::nullopt,
        .metadata = json::serialize(json::object{{"tensor_count", header.tensor_count}, {"dtypes", std::move(types)}})};
}

}  // namespace

ModelFacts read_model_facts(const std::filesystem::path& file, const std::string& name) {
    if (!name.ends_with(".gguf") && !name.ends_with(".safetensors")) return {};
    const UniqueFd fd = open_file(file, O_RDONLY);
    const auto source = formats::DescriptorSource::whole_file(fd.get());
    if (name.ends_with(".gguf")) {
        const auto header = formats::read_gguf(source);
        if (!header) refuse(name, header.error());
        return facts_of(*header);
    }
    const auto header = formats::read_safetensors(source);
    if (!header) refuse(name, header.error());
    return facts_of(*header);
}

}  // namespace llmm::models
