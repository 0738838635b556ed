"""What an assistant may ask and do through the Model Context Protocol: questions, and single acts in two steps."""
