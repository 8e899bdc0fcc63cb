"""The transfer study: does what one bucket hands to the next help, over many seeds?"""
