#pragma once
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace llmm::app::cli {

enum class Language { en, zh };

// One text in both languages; "{}" takes an argument. Does not compile when the two disagree on their
// arguments.
struct Phrase {
    std::string_view en, zh;

    consteval Phrase(std::string_view english, std::string_view chinese) : en(english), zh(chinese) {
        if (english.empty() || chinese.empty()) throw "a language is missing";
        if (placeholders(english) != placeholders(chinese)) throw "the languages take different arguments";
    }

  private:
    static consteval int placeholders(std::string_view text) {
        int count = 0;
        for (std::size_t i = 0; i + 1 < text.size(); ++i)
            count += text[i] == '{' && text[i + 1] == '}';
        return count;
    }
};

// Writes phrases in the language of the user.
class Texts {
  public:
    explicit Texts(Language language) : language_(language) {}

    Language language() const { return language_; }

    template <class... Args>
    std::string operator()(const Phrase& phrase, const Args&... args) const {
        const std::string_view text = language_ == Language::zh ? phrase.zh : phrase.en;
        return fmt::vformat(text, fmt::make_format_args(args...));
    }

  private:
    Language language_;
};

}  // namespace llmm::app::cli
