"""What a person sees: the Explorer, plots and diagrams. May draw on everything before it; torch only when asked."""
