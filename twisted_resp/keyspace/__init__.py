"""The databases: key to value, expiry, and the one seam through which every change passes."""
