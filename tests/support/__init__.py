"""What tests share: pytest plugins (`leak_check`, `durations`), `components` of a machine, house rules (`tidy`)."""
