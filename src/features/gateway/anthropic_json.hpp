#pragma once
#include "features/gateway/answer_scan.hpp"
#include "features/gateway/translation.hpp"

#include <optional>
#include <string>
#include <string_view>

// Anthropic's Messages API for engines that only know OpenAI's chat completions.
namespace llmm::gateway::anthropic {

// Throws VALIDATION_FAILED.
Translated read_messages(std::string_view body);

// A whole answer out of the engine's.
std::string answer(const std::string& model, std::string_view body, const TokenCounts& tokens);

// Writes the events of a stream.
class EventWriter {
  public:
    explicit EventWriter(std::string model) : model_(std::move(model)) {}

    std::string events(const Delta& delta);
    // The last ones.
    std::string end(const TokenCounts& tokens);

  private:
    enum class Block { none, text, thinking, tool };
    void start(const std::string& id, std::string& out);
    void open(Block block, std::string& out);
    void open_tool(const ToolCall& call, std::size_t place, std::string& out);
    void close(std::string& out);

    const std::string model_;
    bool started_ = false;
    Block block_ = Block::none;
    int index_ = -1;
    std::optional<std::size_t> tool_place_;
    std::string finish_reason_;
};

}  // namespace llmm::gateway::anthropic
