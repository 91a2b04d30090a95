#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::formats {

enum class ModelFormat { gguf, safetensors };

struct ListedFile {
    std::string path;
    std::optional<std::uint64_t> size;  // nullopt: the hub doesn't say
};

// One way to take a model from a repository: the files that belong together.
struct Variant {
    std::string name;                         // unique in its repository: the tag where that is enough
    std::optional<std::string> quantization;  // "Q4_K_M"; nullopt when the names don't say
    ModelFormat format = ModelFormat::gguf;
    std::vector<std::string> files;     // parts in their order
    std::optional<std::uint64_t> size;  // nullopt when that of any file is unknown
    friend bool operator==(const Variant&, const Variant&) = default;
};

struct RepositoryContent {
    std::vector<Variant> variants;  // GGUF in the order of the listing, then safetensors
    // GGUF files that are no language model.
    std::vector<std::string> projectors;           // "mmproj": the image or sound half of a multimodal model
    std::vector<std::string> importance_matrices;  // "imatrix": what a quantiser was fed with
    // Files of sets "-00001-of-0000N" that lack a part.
    std::vector<std::string> incomplete;
};

// The quantisation tag in a GGUF file's path, in capitals ("Q4_K_M", "IQ2_XXS", "UD-Q4_K_XL", "BF16"): the
// last thing that looks like one, so that a directory's name counts when the file has none.
std::optional<std::string> quantization_tag(std::string_view path);

RepositoryContent find_variants(std::span<const ListedFile> files);

// The variant that a reference's ":TAG" means. As llama.cpp does, regardless of case: the exact name, else
// the first with a file whose path has the tag followed by "." or "-". Without a tag Q4_K_M, then Q8_0, then
// the first. nullptr: none.
const Variant* choose_variant(std::span<const Variant> variants, std::string_view wanted);

}  // namespace llmm::formats
