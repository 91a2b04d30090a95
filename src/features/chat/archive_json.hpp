#pragma once
#include "features/chat/archive.hpp"
#include "features/chat/search_store.hpp"

#include <boost/json/fwd.hpp>

namespace llmm::chat {

// {"format":"llm-manager.chat","version":1,"session":{…},"messages":[]}: the messages are put in one by one.
boost::json::object to_archive_json(const Session& session);
// What to_archive_json() and the messages' own JSON made, or the whole answer of an export. VALIDATION_FAILED names
// what is wrong, also a parent that does not come before its children.
ArchivedSession parse_archive(const boost::json::value& body);

boost::json::value to_json(const SearchHit& hit);

}  // namespace llmm::chat
