#include "cli/app.h"
#include "tracer/supervisor.h"

int main(int argc, char** argv) { return warren::cli::run_app(argc, argv, warren::run_container); }
