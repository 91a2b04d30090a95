#pragma once
#include <string>
#include <string_view>

namespace llmm::http {

// Whether an Accept-Encoding value lets us send gzip (a q of 0 forbids it).
bool accepts_gzip(std::string_view accept_encoding);
std::string gzip(std::string_view data);

}  // namespace llmm::http
