// The agent's flat image, as data of the library.
  .section .rodata
  .globl warren_agent_image, warren_agent_image_end
  .balign 16
warren_agent_image:
  .incbin WARREN_AGENT_FILE
warren_agent_image_end:
  .section .note.GNU-stack, "", @progbits
