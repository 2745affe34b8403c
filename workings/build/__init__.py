"""What has to run again, what is kept, and files that are whole or not there."""
