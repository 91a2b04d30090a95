#include "app/cli/event_stream.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

// Events as "name=data", with the stream cut into pieces of `size` bytes.
std::vector<std::string> events_of(std::string_view stream, std::size_t size) {
    std::vector<std::string> events;
    EventStream splitter([&](const ServerEvent& event) { events.push_back(event.name + "=" + event.data); });
    for (std::size_t at = 0; at < stream.size(); at += size)
        splitter.feed(stream.substr(at, size));
    return events;
}

TEST(EventStream, does_not_depend_on_the_pieces) {
    const std::string_view stream =
        ": comment\n\nid: 1\nevent: log\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: none\n\ndata: "
        "unfinished\n";
    const std::vector<std::string> expected{"log={\"a\":1}", "message=x\ny"};
    for (const std::size_t size : {1, 2, 3, 7, 1000})
        EXPECT_EQ(events_of(stream, size), expected) << size;
}

}  // namespace
}  // namespace llmm::app::cli
