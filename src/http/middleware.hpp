#pragma once
#include "http/request.hpp"
#include "http/response.hpp"
#include "http/router.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::http {

// Says who a token belongs to. Implemented by the accounts; the edge only asks.
class Authenticator {
  public:
    virtual ~Authenticator() = default;
    // nullopt: not a valid token. An empty token is an anonymous caller.
    virtual std::optional<Principal> authenticate(std::string_view token) const = 0;
    virtual bool permits(const Principal& principal, Permission permission) const = 0;
};

// Is told of every request that was answered.
class RequestObserver {
  public:
    virtual ~RequestObserver() = default;
    virtual void finished(const Request& request, int status, std::uint64_t bytes, double milliseconds) = 0;
};

struct MiddlewareConfig {
    std::vector<std::string> allowed_hosts;  // names beside localhost, this machine's name and plain addresses
    std::vector<std::string> cors_origins;   // "https://chat.example.org"; empty: no other origin
};

// What happens to every request before its handler and to every response after it, in this order: request id, access
// log, host allow-list, CORS, (body limit: the session), authentication.
class Middleware {
  public:
    Middleware(MiddlewareConfig config, const Authenticator& authenticator, RequestObserver* observer = nullptr);

    // The id that a client sent, if it is harmless, or a new one.
    static std::string request_id(const Request& request);
    // Throws the Error to answer with. Runs before the body is read; sets the principal.
    void admit(Request& request, const Route* route) const;
    // For an OPTIONS request: the answer to a CORS preflight or the list of methods.
    Response answer_options(const Request& request, const Router::Match& match) const;
    // Headers that every response carries.
    void decorate(const Request& request, Response& response) const;
    void log_access(const Request& request, int status, std::uint64_t bytes, double milliseconds) const;

  private:
    bool is_allowed_origin(std::string_view origin) const;
    void check_host(const Request& request) const;
    void check_origin(const Request& request, const Route* route) const;

    MiddlewareConfig config_;
    std::string machine_name_;
    const Authenticator& authenticator_;
    RequestObserver* observer_;
};

}  // namespace llmm::http
