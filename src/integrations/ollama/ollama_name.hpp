#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace llmm::hubs::ollama {

// "[host/][namespace/]model[:tag]" with the defaults of `ollama pull` filled in. Every part begins with a letter, digit
// or "_" and goes on with those, "-" and "." (a namespace has no "."), so that no part can climb out of a path.
struct Name {
    std::string host;  // "hf.co", "registry.example:5000"; empty: the configured registry
    std::string owner = "library";
    std::string model;
    std::string tag = "latest";

    static std::optional<Name> parse(std::string_view text);
    // "[host/]namespace/model:tag"
    std::string str() const;
    friend bool operator==(const Name&, const Name&) = default;
};

}  // namespace llmm::hubs::ollama
