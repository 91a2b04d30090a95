#pragma once
#include "http/request.hpp"
#include "http/response.hpp"

#include <string>
#include <string_view>

namespace llmm::http {

// Whether an Accept-Encoding value lets us send gzip (a q of 0 forbids it).
bool accepts_gzip(std::string_view accept_encoding);
std::string gzip(std::string_view data);

// What the client's headers change of a whole answer: 304 for one that it has already, compression of a larger one.
void negotiate(const Request& request, Response& response);

}  // namespace llmm::http
