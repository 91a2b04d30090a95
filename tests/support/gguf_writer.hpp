#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::test {

// Writes GGUF headers, right and wrong ones: nothing is checked, counts can be overridden.
class GgufWriter {
  public:
    std::string magic = "GGUF";
    std::uint32_t version = 3;

    template <class T>
    static std::string bytes(T value) {
        std::string text(sizeof(T), '\0');
        std::memcpy(text.data(), &value, sizeof(T));
        return text;
    }
    static std::string text(std::string_view value) { return bytes<std::uint64_t>(value.size()) + std::string(value); }

    GgufWriter& pair(std::string_view key, std::uint32_t type, std::string_view value) {
        pairs_ += text(key) + bytes(type) + std::string(value);
        ++pair_count;
        return *this;
    }
    GgufWriter& u32(std::string_view key, std::uint32_t value) { return pair(key, 4, bytes(value)); }
    GgufWriter& string(std::string_view key, std::string_view value) { return pair(key, 8, text(value)); }
    GgufWriter& array(std::string_view key, std::uint32_t type, std::uint64_t count, std::string_view elements) {
        return pair(key, 9, bytes(type) + bytes(count) + std::string(elements));
    }
    GgufWriter& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                       std::uint64_t offset) {
        tensors_ += text(name) + bytes(static_cast<std::uint32_t>(shape.size()));
        for (const std::uint64_t length : shape)
            tensors_ += bytes(length);
        tensors_ += bytes(type) + bytes(offset);
        ++tensor_count;
        return *this;
    }

    std::string header() const {
        return magic + bytes(version) + bytes(tensor_count) + bytes(pair_count) + pairs_ + tensors_;
    }

    std::uint64_t tensor_count = 0;
    std::uint64_t pair_count = 0;

  private:
    std::string pairs_;
    std::string tensors_;
};

}  // namespace llmm::test
