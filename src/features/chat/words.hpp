#pragma once
#include <string>
#include <string_view>
#include <vector>

// How text is cut into words for the search. Languages that put spaces between words give those words; the others
// (Chinese, Japanese, Korean, Thai) give each character and each pair of neighbours, so that any part of a sentence can
// be found without a dictionary.
namespace llmm::chat {

// The distinct words of a text, in lower case, each without spaces or ASCII punctuation. Bounded: of a very long text
// with very many words some are left out.
std::vector<std::string> words_of(std::string_view text);

struct WordQuery {
    std::vector<std::string> words;  // all of them must be there
    std::string prefix;              // and a word that begins so; empty: none. People search while they type.
    bool empty() const { return words.empty() && prefix.empty(); }
};
WordQuery query_of(std::string_view text);

// The part of a text around the first place that the query finds, with "…" where it was cut off.
std::string excerpt(std::string_view text, std::string_view query);

}  // namespace llmm::chat
