#pragma once
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace llmm {

// A new UUIDv7 (RFC 9562) as 36 characters. Values made by one thread sort in the order in which they were made.
std::string make_uuid_v7();
bool is_uuid(std::string_view text);  // any version, lower case hex

// An id that can't be confused with the id of another kind of thing.
template <class Tag>
class Id {
  public:
    static Id generate() { return Id(make_uuid_v7()); }
    static std::optional<Id> parse(std::string_view text) {
        if (!is_uuid(text)) return std::nullopt;
        return Id(std::string(text));
    }
    // For values that this program wrote itself (a database row).
    static Id trusted(std::string text) { return Id(std::move(text)); }

    const std::string& str() const { return value_; }
    friend auto operator<=>(const Id&, const Id&) = default;

  private:
    explicit Id(std::string value) : value_(std::move(value)) {}
    std::string value_;
};

using ModelId = Id<struct ModelTag>;
using DownloadId = Id<struct DownloadTag>;
using TaskId = Id<struct TaskTag>;
using DeploymentId = Id<struct DeploymentTag>;
using InstanceId = Id<struct InstanceTag>;
using SessionId = Id<struct SessionTag>;
using MessageId = Id<struct MessageTag>;
using ImportId = Id<struct ImportTag>;

}  // namespace llmm

template <class Tag>
struct std::hash<llmm::Id<Tag>> {
    std::size_t operator()(const llmm::Id<Tag>& id) const { return std::hash<std::string>{}(id.str()); }
};
