"""The stages: intake, dispatch, delivery. They see ports and never concrete parts."""
