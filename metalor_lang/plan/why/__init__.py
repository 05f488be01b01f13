"""Why a step runs again: what is kept of a plan, two of them compared, and the words for what is found."""
