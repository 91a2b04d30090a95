#include "features/chat/words.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>

namespace llmm::chat {
namespace {

constexpr std::size_t kMaxWord = 96;           // bytes; the rest of a longer word is left out
constexpr std::size_t kMaxBytes = 512 * 1024;  // of all words of a text: PostgreSQL's tsvector holds 1 MiB
constexpr std::size_t kMaxQueryWords = 32;
constexpr std::size_t kBefore = 60, kExcerpt = 240;  // bytes

// The next code point; anything that is no UTF-8 counts as a byte of its own.
char32_t next(std::string_view text, std::size_t& at) {
    const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    const unsigned char first = byte(at);
    const int length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (length == 1 || at + static_cast<std::size_t>(length) > text.size()) {
        ++at;
        return first < 0x80 ? first : U' ';
    }
    char32_t code = first & (0xff >> (length + 1));
    for (int i = 1; i < length; ++i)
        code = (code << 6) | (byte(at + static_cast<std::size_t>(i)) & 0x3f);
    at += static_cast<std::size_t>(length);
    return code;
}

void append(std::string& text, char32_t code) {
    const auto put = [&text](char32_t byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | (code >> 6));
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3f));
        put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

bool is_between(char32_t code, char32_t first, char32_t last) {
    return code >= first && code <= last;
}

// Lower case of the alphabets that have it, and the narrow form of wide Latin letters. Blocks of the Unicode standard.
char32_t fold(char32_t code) {
    if (is_between(code, 0xff01, 0xff5e)) code -= 0xfee0;
    if (is_between(code, 'A', 'Z')) return code + 32;
    if (is_between(code, 0xc0, 0xde) && code != 0xd7) return code + 32;
    if (is_between(code, 0x100, 0x137) || is_between(code, 0x14a, 0x177)) return code | 1;
    if (is_between(code, 0x391, 0x3a9)) return code + 32;
    if (is_between(code, 0x410, 0x42f)) return code + 32;
    if (is_between(code, 0x400, 0x40f)) return code + 80;
    return code;
}

bool is_unspaced(char32_t code) {
    return is_between(code, 0x0e00, 0x0eff) || is_between(code, 0x3040, 0x30ff) || is_between(code, 0x3400, 0x9fff) ||
           is_between(code, 0xac00, 0xd7af) || is_between(code, 0xf900, 0xfaff) || is_between(code, 0x20000, 0x3ffff);
}

bool is_letter(char32_t code) {
    if (code < 0x80) return is_between(code, '0', '9') || is_between(code, 'a', 'z');
    if (code < 0xc0) return code == 0xaa || code == 0xb5 || code == 0xba;
    const bool sign = code == 0xd7 || code == 0xf7 || is_between(code, 0x2000, 0x2bff) ||
                      is_between(code, 0x2e00, 0x303f) || is_between(code, 0xfe10, 0xfe6f) ||
                      is_between(code, 0xff00, 0xff65) || is_between(code, 0x1f000, 0x1faff) || code == 0x30fb ||
                      is_between(code, 0xd800, 0xf8ff) || code > 0x3ffff;
    return !sign || is_unspaced(code);
}

// Calls back with each run of characters of one kind, folded.
void for_each_run(std::string_view text, const std::function<bool(const std::u32string&, bool unspaced)>& take) {
    std::u32string run;
    bool unspaced = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t code = fold(next(text, at));
        const bool letter = is_letter(code), no_spaces = letter && is_unspaced(code);
        if (!run.empty() && (!letter || no_spaces != unspaced)) {
            if (!take(run, unspaced)) return;
            run.clear();
        }
        if (!letter) continue;
        unspaced = no_spaces;
        run += code;
    }
    if (!run.empty()) take(run, unspaced);
}

std::string utf8(std::u32string_view codes) {
    std::string text;
    for (const char32_t code : codes) {
        if (text.size() + 4 > kMaxWord) break;
        append(text, code);
    }
    return text;
}

std::string folded(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size();)
        append(result, fold(next(text, at)));
    return result;
}

std::size_t to_boundary(std::string_view text, std::size_t at) {
    while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
        --at;
    return std::min(at, text.size());
}

// Folding may change the number of bytes, so a place is found by walking both texts.
std::size_t find_folded(std::string_view text, std::string_view word) {
    const std::string lower = folded(text);
    const std::size_t found = lower.find(word);
    if (found == std::string::npos) return std::string_view::npos;
    std::size_t at = 0, walked = 0;
    std::string one;
    while (at < text.size() && walked < found) {
        one.clear();
        append(one, fold(next(text, at)));
        walked += one.size();
    }
    return at;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
    std::set<std::string> words;
    std::size_t bytes = 0;
    const auto add = [&](std::string word) {
        const std::size_t size = word.size() + 4;
        if (words.insert(std::move(word)).second) bytes += size;
    };
    for_each_run(text, [&](const std::u32string& run, bool unspaced) {
        if (!unspaced) {
            add(utf8(run));
        } else {
            const std::u32string_view all = run;
            for (std::size_t i = 0; i < all.size() && bytes < kMaxBytes; ++i) {
                add(utf8(all.substr(i, 1)));
                if (i + 1 < all.size()) add(utf8(all.substr(i, 2)));
            }
        }
        return bytes < kMaxBytes;
    });
    return {words.begin(), words.end()};
}

WordQuery query_of(std::string_view text) {
    WordQuery query;
    bool last_is_spaced = false;
    for_each_run(text, [&](const std::u32string& run, bool unspaced) {
        last_is_spaced = !unspaced;
        const std::u32string_view all = run;
        if (!unspaced || all.size() == 1) {
            query.words.push_back(utf8(all));
        } else {
            for (std::size_t i = 0; i + 1 < all.size(); ++i)
                query.words.push_back(utf8(all.substr(i, 2)));
        }
        return query.words.size() < kMaxQueryWords;
    });
    const bool typing = !text.empty() && text.back() != ' ' && text.back() != '"';
    if (last_is_spaced && typing && query.words.size() < kMaxQueryWords) {
        query.prefix = std::move(query.words.back());
        query.words.pop_back();
    }
    std::sort(query.words.begin(), query.words.end());
    query.words.erase(std::unique(query.words.begin(), query.words.end()), query.words.end());
    return query;
}

std::string excerpt(std::string_view text, std::string_view query) {
    std::size_t found = std::string_view::npos;
    for_each_run(query, [&](const std::u32string& run, bool) {
        found = find_folded(text, utf8(run));
        if (found == std::string_view::npos && run.size() > 2) {
            found = find_folded(text, utf8(std::u32string_view(run).substr(0, 2)));
        }
        return found == std::string_view::npos;
    });
    if (found == std::string_view::npos) found = 0;
    const std::size_t begin = to_boundary(text, found > kBefore ? found - kBefore : 0);
    const std::size_t end = to_boundary(text, std::min(text.size(), begin + kExcerpt));
    std::string part(text.substr(begin, end - begin));
    std::replace(part.begin(), part.end(), '\n', ' ');
    return (begin > 0 ? "…" : "") + part + (end < text.size() ? "…" : "");
}

}  // namespace llmm::chat
