#include "dray/base/json.h"

#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"

namespace dray {

namespace {

[[noreturn]] void refuse(std::string_view what, std::string message) {
  throw Error(Code::malformed, std::move(message)).on("read", std::string(what));
}

/// Builds the value, and stops at a duplicate key or a container nested too deep.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(int depth_limit) : depth_limit_(depth_limit) {}
  Json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& object = stack_.back()->get_ref<Json::object_t&>();
    const auto [place, fresh] = object.try_emplace(std::move(name));
    if (!fresh) return fail(fmt::format("duplicate key \"{}\"", place->first.substr(0, 100)));
    slot_ = &place->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("not valid JSON at byte {}", position));
  }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (stack_.back()->is_array()) {
      auto& array = stack_.back()->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (stack_.size() >= static_cast<std::size_t>(depth_limit_))
      return fail(fmt::format("nested more than {} levels deep", depth_limit_));
    stack_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  int depth_limit_;
  Json root_;
  // Containers being filled. The addresses stay valid: only the innermost one grows.
  std::vector<Json*> stack_;
  Json* slot_ = nullptr;  // where the value of the last key goes
  std::string problem_;
};

/// The member, or nullptr when it is missing or null.
const Json* member(const Json& value, std::string_view key, std::string_view what) {
  if (!value.is_object()) refuse(what, fmt::format("expected an object that has \"{}\"", key));
  const auto found = value.find(key);
  return found == value.end() || found->is_null() ? nullptr : &*found;
}

const Json& required(const Json& value, std::string_view key, std::string_view what) {
  const Json* found = member(value, key, what);
  if (found == nullptr) refuse(what, fmt::format("\"{}\" is missing", key));
  return *found;
}

[[noreturn]] void wrong_type(std::string_view key, std::string_view expected, const Json& found,
                             std::string_view what) {
  refuse(what, fmt::format("\"{}\" must be {}, not {}", key, expected, found.type_name()));
}

std::string as_string(const Json& value, std::string_view key, std::string_view what) {
  if (!value.is_string()) wrong_type(key, "a string", value, what);
  return value.get_ref<const std::string&>();
}

std::uint64_t as_u64(const Json& value, std::string_view key, std::string_view what) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  // Values set by code are signed even when they are not negative.
  if (value.is_number_integer() && value.get<std::int64_t>() >= 0)
    return static_cast<std::uint64_t>(value.get<std::int64_t>());
  wrong_type(key, "a whole number from 0 to 2^64-1", value, what);
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what, JsonLimits limits) {
  if (text.size() > limits.bytes)
    refuse(what, fmt::format("{} bytes of JSON, the limit is {}", text.size(), limits.bytes));
  // The parser takes a NUL byte for the end of the text, and would not see what follows.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    refuse(what, fmt::format("not valid JSON at byte {}: NUL", nul + 1));
  Builder builder(limits.depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) refuse(what, builder.problem());
  return builder.take();
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

const Json& get_object(const Json& value, std::string_view key, std::string_view what) {
  const Json& found = required(value, key, what);
  if (!found.is_object()) wrong_type(key, "an object", found, what);
  return found;
}

const Json& get_array(const Json& value, std::string_view key, std::string_view what) {
  const Json& found = required(value, key, what);
  if (!found.is_array()) wrong_type(key, "an array", found, what);
  return found;
}

std::string get_string(const Json& value, std::string_view key, std::string_view what) {
  return as_string(required(value, key, what), key, what);
}

std::uint64_t get_u64(const Json& value, std::string_view key, std::string_view what) {
  return as_u64(required(value, key, what), key, what);
}

std::optional<std::string> find_string(const Json& value, std::string_view key,
                                       std::string_view what) {
  const Json* found = member(value, key, what);
  if (found == nullptr) return std::nullopt;
  return as_string(*found, key, what);
}

std::optional<std::uint64_t> find_u64(const Json& value, std::string_view key,
                                      std::string_view what) {
  const Json* found = member(value, key, what);
  if (found == nullptr) return std::nullopt;
  return as_u64(*found, key, what);
}

std::optional<bool> find_bool(const Json& value, std::string_view key, std::string_view what) {
  const Json* found = member(value, key, what);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) wrong_type(key, "true or false", *found, what);
  return found->get<bool>();
}

}  // namespace dray
