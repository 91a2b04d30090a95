#pragma once
#include "base/error/error.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <string>

#include <boost/json/value.hpp>

namespace llmm::http {

// The one switch from the meaning of an error to a status.
int status_of(ErrorKind kind);
// Seconds for the header Retry-After of 429 and 503.
int retry_after(const Error& error);

// {"success":true,"message":…,"data":…,"code":…,"timestamp":…}
Response ok(const Request& request, boost::json::value data);
Response created(const Request& request, boost::json::value data, std::string location);
Response accepted(const Request& request, boost::json::value data, std::string location);
// ok() with an ETag over the data alone: the envelope's timestamp changes with every answer.
Response ok_tagged(const Request& request, boost::json::value data, boost::json::value details = nullptr);

// {"success":false,"message":…,"error":…,"details":{…},"timestamp":…}, or the shape of the dialect that the path speaks
Response error_response(const Request& request, const Error& error);
// The error of any exception: an Error as it is, everything else as INTERNAL, logged with the request's id.
Response error_response(const Request& request, std::exception_ptr failure);

// The error as JSON without the envelope, for places that are no HTTP response (an event, a stored row).
boost::json::object error_json(const Error& error, Language language);

// {"items":[…],"next_cursor":…|null}
boost::json::value list_json(boost::json::array items, const std::optional<std::string>& next_cursor);

}  // namespace llmm::http
