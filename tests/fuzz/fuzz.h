#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace webhook_calls {

/// Ends the run where a property does not hold; libFuzzer then keeps the input.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

/// What each target defines: one input.
void run(std::string_view input);

}  // namespace webhook_calls

// NOLINTNEXTLINE(misc-definitions-in-headers): one target is one file
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  webhook_calls::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
