#include "http/router.hpp"

#include <algorithm>
#include <cassert>

namespace llmm::http {
namespace {

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    std::size_t start = 1;  // after the leading slash
    while (start <= path.size()) {
        const std::size_t slash = std::min(path.find('/', start), path.size());
        segments.push_back(path.substr(start, slash - start));
        start = slash + 1;
    }
    return segments;
}

bool is_parameter(std::string_view segment) {
    return segment.starts_with('{') && segment.ends_with('}');
}

}  // namespace

void Router::add(Route route) {
    assert(route.path.starts_with('/'));
    Pattern pattern;
    for (const std::string_view segment : split(route.path))
        pattern.segments.emplace_back(segment);
    // Fixed paths first: "/models/info" wins over "/models/{id}".
    const auto parameters = std::count_if(pattern.segments.begin(), pattern.segments.end(), is_parameter);
    std::size_t place = 0;
    while (place < patterns_.size() && std::count_if(patterns_[place].segments.begin(), patterns_[place].segments.end(),
                                                     is_parameter) <= parameters) {
        ++place;
    }
    patterns_.insert(patterns_.begin() + static_cast<std::ptrdiff_t>(place), std::move(pattern));
    routes_.insert(routes_.begin() + static_cast<std::ptrdiff_t>(place), std::move(route));
}

Router::Match Router::find(Method method, std::string_view path) const {
    Match match;
    std::vector<std::string_view> wanted;  // split when the first pattern with parameters may fit
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
        const Route& route = routes_[i];
        const auto& segments = patterns_[i].segments;
        const bool fixed = !route.path.contains('{');
        if (fixed) {
            if (route.path != path) continue;
        } else {
            if (wanted.empty()) wanted = split(path);
            if (segments.size() != wanted.size()) continue;
            const bool same = std::equal(segments.begin(), segments.end(), wanted.begin(),
                                         [](std::string_view pattern, std::string_view segment) {
                                             return is_parameter(pattern) ? !segment.empty() : pattern == segment;
                                         });
            if (!same) continue;
        }
        const bool fits = route.method == method || (route.method == Method::get && method == Method::head);
        if (!fits) {
            match.allowed.push_back(route.method);
            continue;
        }
        match.route = &route;
        for (std::size_t s = 0; !fixed && s < segments.size(); ++s) {
            if (!is_parameter(segments[s])) continue;
            match.parameters.emplace_back(segments[s].substr(1, segments[s].size() - 2), wanted[s]);
        }
        return match;
    }
    return match;
}

}  // namespace llmm::http
