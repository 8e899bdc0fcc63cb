"""What the dashboard answers, a module for each part of it; the table is in `dashboard.app`."""
