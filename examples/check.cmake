# Runs the example, on its script if it has one, and compares what it prints.
set(input /dev/null)
if(EXISTS ${DIRECTORY}/script.txt)
  set(input ${DIRECTORY}/script.txt)
endif()
execute_process(COMMAND ${PROGRAM} INPUT_FILE ${input}
  OUTPUT_VARIABLE output RESULT_VARIABLE status)
file(READ ${DIRECTORY}/expected.txt expected)
if(NOT status EQUAL 0 OR NOT output STREQUAL expected)
  message(FATAL_ERROR "status ${status}, output:\n${output}")
endif()
