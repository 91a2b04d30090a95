#include "integrations/formats/quantization.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace llmm::formats {
namespace {

using namespace std::string_view_literals;

char to_upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), to_upper);
    return result;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::string_view file_name(std::string_view path) {
    return path.substr(path.find_last_of('/') + 1);
}
std::string_view directory(std::string_view path) {
    const std::size_t slash = path.find_last_of('/');
    return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

// ---- the tag in a name

// A word that is a tag or begins one: what llama.cpp's quantiser calls its types, and the float types.
bool begins_tag(std::string_view word) {
    for (const std::string_view whole :
         {"BF16"sv, "F16"sv, "F32"sv, "F64"sv, "FP16"sv, "FP32"sv, "MXFP4"sv, "NVFP4"sv}) {
        if (word == whole) return true;
    }
    for (const std::string_view family : {"IQ"sv, "TQ"sv, "Q"sv}) {
        if (word.size() == family.size() + 1 && word.starts_with(family) && is_digit(word.back())) return true;
    }
    return false;
}

// A word that goes on with a tag behind "_": Q4_K_M, Q4_0_4_8, IQ2_XXS, MXFP4_MOE.
bool continues_tag(std::string_view word) {
    if (word.size() == 1 && is_digit(word[0])) return true;
    for (const std::string_view part :
         {"K"sv, "S"sv, "M"sv, "L"sv, "XS"sv, "XXS"sv, "XL"sv, "XXL"sv, "NL"sv, "MOE"sv}) {
        if (word == part) return true;
    }
    return false;
}

// The letters and digits at the front.
std::string_view first_word(std::string_view text) {
    return text.substr(0, std::ranges::find_if_not(text, is_alphanumeric) - text.begin());
}

// The tag at the front; empty when there is none.
std::string_view tag_at(std::string_view text) {
    std::size_t size = first_word(text).size();
    if (!begins_tag(text.substr(0, size))) return {};
    while (size < text.size() && text[size] == '_') {
        const std::string_view word = first_word(text.substr(size + 1));
        if (!continues_tag(word)) break;
        size += 1 + word.size();
    }
    return text.substr(0, size);
}

// ---- sets of files

struct Part {
    std::string_view set;  // the path without part numbers and extension
    int number = 1;
    int count = 1;
};

std::optional<int> five_digits(std::string_view text) {
    int value = 0;
    if (text.size() != 5 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// "name-00001-of-00003" without its extension.
Part part_of(std::string_view stem) {
    constexpr std::size_t kSuffix = "-00001-of-00003"sv.size();
    if (stem.size() <= kSuffix) return {stem};
    const std::string_view suffix = stem.substr(stem.size() - kSuffix);
    if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-") return {stem};
    const auto number = five_digits(suffix.substr(1, 5));
    const auto count = five_digits(suffix.substr(10));
    if (!number || !count) return {stem};
    return {stem.substr(0, stem.size() - kSuffix), *number, *count};
}

struct FileSet {
    std::string_view name;
    int count = 1;
    std::map<int, const ListedFile*> parts;  // by number
    bool has_twins = false;                  // two files for one part: names that differ in the extension's case

    bool complete() const {
        return !has_twins && !parts.empty() && parts.begin()->first == 1 && parts.rbegin()->first == count &&
               parts.size() == static_cast<std::size_t>(count);
    }
};

class FileSets {
  public:
    void add(const ListedFile& file, std::string_view extension) {
        const std::string_view path = file.path;
        const Part part = part_of(path.substr(0, path.size() - extension.size()));
        const auto [place, added] = index_.try_emplace({part.set, part.count}, sets_.size());
        if (added) sets_.push_back({part.set, part.count, {}});
        FileSet& set = sets_[place->second];
        if (!set.parts.emplace(part.number, &file).second) set.has_twins = true;
    }
    const std::vector<FileSet>& all() const { return sets_; }

  private:
    std::vector<FileSet> sets_;  // in the order of the listing
    std::map<std::pair<std::string_view, int>, std::size_t> index_;
};

void add_file(Variant& variant, const ListedFile& file) {
    if (variant.files.empty()) variant.size = 0;
    variant.files.push_back(file.path);
    // A sum that overflows comes from a hostile listing: unknown, then.
    std::uint64_t sum = 0;
    const bool known = variant.size && file.size && !__builtin_add_overflow(*variant.size, *file.size, &sum);
    variant.size = known ? std::optional(sum) : std::nullopt;
}

Variant variant_of(const FileSet& set, ModelFormat format) {
    Variant variant;
    variant.format = format;
    for (const auto& [number, file] : set.parts)
        add_file(variant, *file);
    return variant;
}

bool has_extension(std::string_view path, std::string_view extension) {
    return path.size() > extension.size() &&
           std::ranges::equal(path.substr(path.size() - extension.size()), extension, {}, to_upper, to_upper);
}

// ---- GGUF

void name_gguf_variants(std::vector<Variant>& variants, const std::vector<std::string>& stems) {
    std::map<std::string, int> uses;
    for (const Variant& variant : variants)
        ++uses[variant.quantization.value_or("")];
    for (std::size_t i = 0; i < variants.size(); ++i) {
        const std::optional<std::string>& tag = variants[i].quantization;
        variants[i].name = tag && uses[*tag] == 1 ? *tag : stems[i];
    }
}

void find_gguf(std::span<const ListedFile> files, RepositoryContent& content) {
    FileSets sets;
    for (const ListedFile& file : files) {
        if (!has_extension(file.path, ".gguf")) continue;
        const std::string name = upper(file_name(file.path));
        if (name.contains("MMPROJ")) {
            content.projectors.push_back(file.path);
        } else if (name.contains("IMATRIX")) {
            content.importance_matrices.push_back(file.path);
        } else {
            sets.add(file, ".gguf");
        }
    }
    std::vector<std::string> stems;
    for (const FileSet& set : sets.all()) {
        if (!set.complete()) {
            for (const auto& [number, file] : set.parts)
                content.incomplete.push_back(file->path);
            continue;
        }
        Variant variant = variant_of(set, ModelFormat::gguf);
        variant.quantization = quantization_tag(set.name);
        content.variants.push_back(std::move(variant));
        stems.emplace_back(set.name);
    }
    name_gguf_variants(content.variants, stems);
}

// ---- safetensors

// What an engine reads beside the weights: configuration, tokenizer, chat templates.
bool goes_with_weights(std::string_view path) {
    if (directory(path) == "additional_chat_templates") return has_extension(path, ".jinja");
    if (!directory(path).empty() || path.ends_with(".index.json")) return false;
    for (const std::string_view name : {"merges.txt"sv, "vocab.txt"sv}) {
        if (path == name) return true;
    }
    for (const std::string_view extension : {".json"sv, ".jinja"sv, ".model"sv, ".tiktoken"sv}) {
        if (has_extension(path, extension)) return true;
    }
    return false;
}

// The weights in the repository's own directory: "model" as transformers writes it; else whatever there is,
// except that "consolidated" is a second copy in another layout wherever there is a first one.
std::vector<const FileSet*> main_weights(const std::vector<FileSet>& sets) {
    std::vector<const FileSet*> named, others, copies;
    for (const FileSet& set : sets) {
        (set.name == "model" ? named : set.name == "consolidated" ? copies : others).push_back(&set);
    }
    if (!named.empty()) return named;
    return others.empty() ? copies : others;
}

void find_safetensors(std::span<const ListedFile> files, RepositoryContent& content) {
    FileSets sets;
    for (const ListedFile& file : files) {
        if (has_extension(file.path, ".safetensors") && directory(file.path).empty()) sets.add(file, ".safetensors");
    }
    const std::vector<const FileSet*> weights = main_weights(sets.all());
    Variant variant{
        .name = "safetensors", .quantization = {}, .format = ModelFormat::safetensors, .files = {}, .size = {}};
    std::vector<std::string> indexes;
    for (const FileSet* set : weights) {
        indexes.push_back(std::string(set->name) + ".safetensors.index.json");
        for (const auto& [number, file] : set->parts) {
            if (set->complete()) {
                add_file(variant, *file);
            } else {
                content.incomplete.push_back(file->path);
            }
        }
    }
    if (variant.files.empty()) return;
    for (const ListedFile& file : files) {
        if (std::ranges::find(indexes, file.path) != indexes.end() || goes_with_weights(file.path))
            add_file(variant, file);
    }
    content.variants.push_back(std::move(variant));
}

// "<tag>." or "<tag>-" anywhere in the path, not in the middle of a longer word: F16 is not in BF16.
bool names_tag(std::string_view path, std::string_view tag) {
    for (std::size_t at = path.find(tag); at != path.npos; at = path.find(tag, at + 1)) {
        const std::size_t end = at + tag.size();
        const bool begins_word = at == 0 || !is_alphanumeric(path[at - 1]);
        if (begins_word && end < path.size() && (path[end] == '.' || path[end] == '-')) return true;
    }
    return false;
}

const Variant* find_variant(std::span<const Variant> variants, std::string_view wanted) {
    const std::string tag = upper(wanted);
    for (const Variant& variant : variants) {
        if (upper(variant.name) == tag) return &variant;
    }
    for (const Variant& variant : variants) {
        for (const std::string& path : variant.files) {
            if (names_tag(upper(path), tag)) return &variant;
        }
    }
    return nullptr;
}

}  // namespace

std::optional<std::string> quantization_tag(std::string_view path) {
    const std::string text = upper(path);
    for (std::size_t at = text.size(); at-- > 0;) {
        if (at > 0 && is_alphanumeric(text[at - 1])) continue;
        const std::string_view tag = tag_at(std::string_view(text).substr(at));
        if (tag.empty()) continue;
        // "UD-": Unsloth's dynamic quantisation, another file than the plain one of the same type.
        const bool dynamic =
            std::string_view(text).substr(0, at).ends_with("UD-") && (at == 3 || !is_alphanumeric(text[at - 4]));
        return dynamic ? "UD-" + std::string(tag) : std::string(tag);
    }
    return std::nullopt;
}

RepositoryContent find_variants(std::span<const ListedFile> files) {
    RepositoryContent content;
    find_gguf(files, content);
    find_safetensors(files, content);
    return content;
}

const Variant* choose_variant(std::span<const Variant> variants, std::string_view wanted) {
    if (!wanted.empty()) return find_variant(variants, wanted);
    for (const std::string_view preferred : {"Q4_K_M"sv, "Q8_0"sv}) {
        if (const Variant* variant = find_variant(variants, preferred)) return variant;
    }
    return variants.empty() ? nullptr : &variants.front();
}

}  // namespace llmm::formats
