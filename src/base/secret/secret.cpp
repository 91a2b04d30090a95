#include "base/secret/secret.hpp"

#include <sodium.h>

namespace llmm {

bool equal_secrets(const SecretString& a, const SecretString& b) {
    const std::string& x = a.reveal();
    const std::string& y = b.reveal();
    return x.size() == y.size() && sodium_memcmp(x.data(), y.data(), x.size()) == 0;
}

SecretString random_secret(std::size_t bytes) {
    std::string raw(bytes, '\0');
    randombytes_buf(raw.data(), raw.size());
    std::string text(sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(raw.data()), raw.size(),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text.pop_back();  // the terminating NUL that sodium counts
    sodium_memzero(raw.data(), raw.size());
    return SecretString(std::move(text));
}

}  // namespace llmm
