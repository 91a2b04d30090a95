#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include <boost/json/value.hpp>

namespace llmm::test {

// The fake hub (tests/fakes/hub) as a child process on free ports of 127.0.0.1; it ends with this object.
// What it can do is in its README. Every call blocks.
class FakeHub {
  public:
    explicit FakeHub(const std::vector<std::string>& arguments = {});
    ~FakeHub();
    FakeHub(const FakeHub&) = delete;
    FakeHub& operator=(const FakeHub&) = delete;

    const std::string& url() const { return url_; }  // "http://127.0.0.1:port"
    const std::string& cdn() const { return cdn_; }

    // One request to /__control/<name>; throws std::runtime_error unless the answer is 200.
    boost::json::value control(const char* method, std::string_view name,
                               const boost::json::value& body = nullptr) const;
    // Adds a repository as repo.json describes it and returns the commit of its branch main.
    std::string add_repository(const boost::json::value& description) const;
    void add_fault(const boost::json::object& action, const boost::json::object& match = {}) const;
    void clear_faults() const;
    void set(std::string_view setting, const boost::json::value& value) const;
    boost::json::array log() const;  // of requests since the start or clear_log
    void clear_log() const;

  private:
    pid_t pid_ = -1;
    int output_ = -1;
    std::string url_, cdn_;
};

}  // namespace llmm::test
