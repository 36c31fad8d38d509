// fmt's compiled half, built here so that it has the same standard library and sanitizer as the
// rest. Header-only fmt is compiled again in each of the files that format anything, which took
// most of the time of the build.
#include <fmt/format-inl.h>

namespace fmt {
inline namespace v9 {
namespace detail {

// What <fmt/format.h> declares extern, or leaves to the library.
template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;

template locale_ref::locale_ref(const std::locale&);
template std::locale locale_ref::get<std::locale>() const;

template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template void buffer<char>::append(const char*, const char*);
template void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>,
                         locale_ref);

}  // namespace detail
}  // namespace v9
}  // namespace fmt
