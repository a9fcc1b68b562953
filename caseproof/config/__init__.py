"""What an installation is told: settings from the environment, the policy, and files that people write."""
