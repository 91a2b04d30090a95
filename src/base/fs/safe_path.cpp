#include "base/fs/safe_path.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace llmm {
namespace {

constexpr std::size_t kMaxComponentBytes = 255;  // NAME_MAX
constexpr std::size_t kMaxBytes = 1024;
constexpr std::size_t kMaxComponents = 32;

// Takes one code point off the front; nullopt for anything that is not well-formed UTF-8 (overlong,
// surrogate, cut off).
std::optional<char32_t> take_code_point(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    std::size_t length;
    char32_t value, smallest;
    if (first < 0x80) {
        length = 1, value = first, smallest = 0;
    } else if (first >= 0xc2 && first < 0xe0) {
        length = 2, value = first & 0x1f, smallest = 0x80;
    } else if (first >= 0xe0 && first < 0xf0) {
        length = 3, value = first & 0x0f, smallest = 0x800;
    } else if (first >= 0xf0 && first < 0xf5) {
        length = 4, value = first & 0x07, smallest = 0x10000;
    } else {
        return std::nullopt;
    }
    if (text.size() < length) return std::nullopt;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
        value = (value << 6) | (byte(i) & 0x3f);
    }
    if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return std::nullopt;
    text.remove_prefix(length);
    return value;
}

void append_utf8(std::string& out, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xe0 | (c >> 12));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
        out += static_cast<char>(0xf0 | (c >> 18));
        out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    }
}

bool is_control(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

// The simple case mappings of Latin-1 and Latin Extended-A (UnicodeData.txt), and the capital sharp s.
char32_t lower(char32_t c) {
    if (c >= 'A' && c <= 'Z') return c + 0x20;
    if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 0x20;
    if (c == 0x130) return 'i';
    if (c == 0x178) return 0xff;
    if (c == 0x17f) return 's';
    if (c == 0x1e9e) return 0xdf;
    const bool even_is_upper = (c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177);
    const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if ((even_is_upper && c % 2 == 0) || (odd_is_upper && c % 2 == 1)) return c + 1;
    return c;
}

std::string fold(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty())
        append_utf8(out, lower(*take_code_point(text)));
    return out;
}

// CON, NUL, COM1 and the like name devices on Windows, with any extension too.
bool is_device_name(std::string_view component) {
    static constexpr std::array<std::string_view, 6> kNames = {"con", "prn", "aux", "nul", "conin$", "conout$"};
    std::string stem = fold(component.substr(0, component.find('.')));
    while (stem.ends_with(' '))
        stem.pop_back();
    if (std::ranges::find(kNames, stem) != kNames.end()) return true;
    if (!stem.starts_with("com") && !stem.starts_with("lpt")) return false;
    const std::string_view number = std::string_view(stem).substr(3);
    return (number.size() == 1 && number[0] >= '0' && number[0] <= '9') || number == "¹" || number == "²" ||
           number == "³";
}

bool is_safe_component(std::string_view component) {
    if (component.empty() || component.size() > kMaxComponentBytes) return false;
    // A trailing dot covers "." and ".." as well.
    if (component.front() == ' ' || component.back() == ' ' || component.back() == '.') return false;
    for (std::string_view rest = component; !rest.empty();) {
        const auto c = take_code_point(rest);
        if (!c || is_control(*c) || *c == '\\' || *c == ':') return false;
    }
    return !is_device_name(component);
}

}  // namespace

std::optional<SafePath> SafePath::parse(std::string_view text) {
    if (text.size() > kMaxBytes) return std::nullopt;
    std::size_t components = 0;
    for (std::string_view rest = text;;) {
        const std::size_t slash = rest.find('/');
        if (!is_safe_component(rest.substr(0, slash)) || ++components > kMaxComponents) return std::nullopt;
        if (slash == std::string_view::npos) return SafePath(std::string(text));
        rest.remove_prefix(slash + 1);
    }
}

std::string_view SafePath::file_name() const {
    const std::size_t slash = text_.rfind('/');
    return std::string_view(text_).substr(slash == std::string::npos ? 0 : slash + 1);
}

std::string SafePath::folded() const {
    return fold(text_);
}

}  // namespace llmm
