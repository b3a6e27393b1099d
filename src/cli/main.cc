#include "cli/app.h"

#if __has_include("tracer/supervisor.h")
#include "tracer/supervisor.h"
#endif

namespace {

warren::control::RunOutcome run_container(warren::control::RunOptions options) {
#if __has_include("tracer/supervisor.h")
  return warren::run_container(std::move(options));
#else
  return {125, "run: " + options.program + ": Function not implemented; built without the tracer"};
#endif
}

}  // namespace

int main(int argc, char** argv) { return warren::cli::run_app(argc, argv, run_container); }
