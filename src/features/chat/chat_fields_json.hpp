#pragma once
#include "base/json/reader.hpp"
#include "features/chat/chat.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Fields that several bodies of chat have.
namespace llmm::chat {

void refuse_nul(ObjectReader& in, std::string_view name, const std::optional<std::string>& text);
ChatConfig read_config(ObjectReader& in);
std::optional<ChatConfig> read_config_field(ObjectReader& in);  // "config"
// "attachments"; exported ones also tell their size.
std::vector<Attachment> read_attachments(ObjectReader& in, bool exported);

}  // namespace llmm::chat
