#include "features/auth/auth_service.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

namespace llmm::auth {

namespace {
constexpr std::size_t kKeyBytes = 32;
constexpr std::string_view kKeyPrefix = "llmm_";  // lets secret scanners and people recognise it
}  // namespace

AuthService::AuthService(Mode mode, SecretString preset, std::filesystem::path key_file)
    : mode_(mode), key_(std::move(preset)) {
    if (mode_ == Mode::none || !key_.empty()) return;
    if (std::filesystem::exists(key_file)) {
        std::string text = read_text_file(key_file, 4096);
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
            text.pop_back();
        if (text.empty()) {
            fail(ErrorCode::internal, "the file {} is empty; delete it to get a new admin key",
                 "文件 {} 为空；删除后将生成新的管理员密钥", key_file.string());
        }
        key_ = SecretString(std::move(text));
        return;
    }
    make_directories(key_file.parent_path());
    key_ = SecretString(std::string(kKeyPrefix) + random_secret(kKeyBytes).reveal());
    write_file_durably(key_file, key_.reveal() + "\n", 0600);
    new_key_ = key_;
}

bool AuthService::is_valid(std::string_view token) const {
    return mode_ == Mode::none || (!token.empty() && equal_secrets(SecretString(std::string(token)), key_));
}

}  // namespace llmm::auth
