"""What the core's own tests share."""

from hypothesis import settings

# --hypothesis-profile=few: where every instruction is emulated.
settings.register_profile("few", settings.get_profile("explores"), max_examples=12)
