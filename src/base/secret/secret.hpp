#pragma once
#include <string>
#include <utility>

namespace llmm {

// A value that no log, error or formatter can show by accident. reveal() is the only way out and easy to search for.
template <class T>
class Secret {
  public:
    Secret() = default;
    explicit Secret(T value) : value_(std::move(value)) {}

    const T& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

  private:
    T value_{};
};

using SecretString = Secret<std::string>;

// Compares in a time that depends only on the lengths.
bool equal_secrets(const SecretString& a, const SecretString& b);
// Random text of `bytes` random bytes in URL-safe base64 without padding.
SecretString random_secret(std::size_t bytes);

}  // namespace llmm
