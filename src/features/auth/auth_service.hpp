#pragma once
#include "base/secret/secret.hpp"

#include <filesystem>
#include <optional>
#include <string_view>

namespace llmm::auth {

// Who may call, until there are accounts: one admin key, or nobody is asked. Constant after construction.
class AuthService {
  public:
    enum class Mode { key, none };

    // With a preset key nothing is read or written. Otherwise the key of `key_file` is used, made at the first start
    // (mode 0600, random). Blocks.
    AuthService(Mode mode, SecretString preset, std::filesystem::path key_file);

    bool is_valid(std::string_view token) const;
    Mode mode() const { return mode_; }
    // The key when this start has made it: to be printed once.
    const std::optional<SecretString>& new_key() const { return new_key_; }

  private:
    Mode mode_;
    SecretString key_;
    std::optional<SecretString> new_key_;
};

}  // namespace llmm::auth
