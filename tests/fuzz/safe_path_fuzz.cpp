#include "base/fs/safe_path.hpp"
#include "fuzz/fuzz_target.hpp"

#include <filesystem>

using llmm::SafePath;
using llmm::fuzz::check;

LLMM_FUZZ_TARGET(safe_path)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    const auto path = SafePath::parse(text);
    if (!path) return;
    check(path->str() == text, "is taken as it stands or not at all");
    check(text.find_first_of(std::string_view("\\:\0\n\r\t", 6)) == std::string_view::npos,
          "no character with a meaning");

    const std::filesystem::path root = "/srv/models";
    const auto below = (root / path->str()).lexically_normal();
    check(below.string() == root.string() + "/" + std::string(text), "stays below the root, unchanged");
    check(!path->file_name().empty() && text.ends_with(path->file_name()), "ends in its file name");
    check(path->file_name().find('/') == std::string_view::npos, "a file name is one component");

    const auto folded = path->folded();
    const auto of_folded = SafePath::parse(folded);
    check(of_folded && of_folded->folded() == folded, "folding is stable");
}
